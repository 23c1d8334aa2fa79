# SPDX-License-Identifier: GPL-3.0-or-later
#
# Images.  IMAGE_VERSION is what the program in it says of itself.

IMAGE = localhost/librapi
IMAGE_VERSION = $(PACKAGE_VERSION)

.PHONY: image
image:
	$(srcdir)/%D%/image/build $(srcdir) '$(IMAGE):$(IMAGE_VERSION)' \
		'$(IMAGE_VERSION)'

# Containers for real; takes root, podman and runc.  Not a part of make check.
.PHONY: check-containers
check-containers:
	@status=0; for test in $(container_tests); do \
		echo "$$test"; \
		LIBRAPI_SOURCE_DIR=$(abs_srcdir) \
			$(PYTHON) $(srcdir)/$$test || status=1; \
	done; exit $$status

# librapi in the microk8s of this machine, and out again; the steps one by one
# are mk8s-addons, mk8s-image and so on, as kube/mk8s tells.
mk8s = $(srcdir)/%D%/mk8s $(srcdir) '$(IMAGE_VERSION)'

.PHONY: librapi-in-mk8s librapi-off-mk8s
librapi-in-mk8s:
	$(mk8s) in

librapi-off-mk8s:
	DATA='$(DATA)' $(mk8s) off

mk8s_steps = mk8s-addons mk8s-image mk8s-import mk8s-storage mk8s-namespace \
	mk8s-install mk8s-hosts

.PHONY: $(mk8s_steps)
$(mk8s_steps):
	$(mk8s) $(@:mk8s-%=%)

# The chart and the manifests, without a cluster; takes npm and the network.
.PHONY: check-kube
check-kube: all
	@status=0; for test in $(kube_tests); do \
		echo "$$test"; \
		LIBRAPI_SOURCE_DIR=$(abs_srcdir) \
			$(PYTHON) $(srcdir)/$$test || status=1; \
	done; exit $$status

# The chart's schema has the settings that the program has.
.PHONY: chart-settings
chart-settings: all
	$(PYTHON) $(srcdir)/%D%/settings app/librapi --write

EXTRA_DIST += \
	Containerfile \
	%D%/image/base \
	%D%/image/build \
	%D%/image/health \
	%D%/image/init \
	%D%/image/root \
	%D%/README.md \
	%D%/chart \
	%D%/image/backup \
	%D%/kustomize \
	%D%/mk8s \
	%D%/settings
