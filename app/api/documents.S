/* SPDX-License-Identifier: GPL-3.0-or-later */
/* openapi.json and swagger.json as they stand, for api/openapi.c. */

	.macro document name, file
	.global \name, \name\()_end
\name:
	.incbin "\file"
\name\()_end:
	.byte 0
	.endm

	.section .rodata
	document openapi_json, "app/api/openapi.json"
	document swagger_json, "app/api/swagger.json"

	.section .note.GNU-stack, "", %progbits
