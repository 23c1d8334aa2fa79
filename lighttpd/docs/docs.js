// SPDX-License-Identifier: GPL-3.0-or-later
//
// Start Swagger UI, when it is installed; else the page says how to get it.
"use strict";

if (window.SwaggerUIBundle) {
	document.getElementById("absent").remove();
	window.SwaggerUIBundle({
		url: "/openapi.json",
		dom_id: "#swagger-ui",
		deepLinking: true,
		presets: [window.SwaggerUIBundle.presets.apis],
		validatorUrl: null,
	});
}
