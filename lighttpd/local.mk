# SPDX-License-Identifier: GPL-3.0-or-later

lighttpdconfdir = $(sysconfdir)/librapi/lighttpd
dist_lighttpdconf_DATA = \
	%D%/accesslog.conf \
	%D%/common.conf \
	%D%/connect.conf \
	%D%/options.sh \
	%D%/site.conf \
	%D%/spawn.conf \
	%D%/stored.conf \
	%D%/tls.conf
lighttpdconf_DATA = %D%/settings.sh

%D%/settings.sh: %D%/settings.sh.in Makefile
	$(AM_V_GEN)$(SED) \
		-e 's|@bindir[@]|$(bindir)|' \
		-e 's|@datadir[@]|$(datadir)|' \
		-e 's|@frontdir[@]|$(frontdir)|' \
		-e 's|@run_dir[@]|$(runstatedir)/librapi|' \
		$(srcdir)/%D%/settings.sh.in >$@.tmp
	$(AM_V_at)mv $@.tmp $@

# For Debian's lighty-enable-mod, which wants a number before the name.
debiandir = $(sysconfdir)/lighttpd/conf-available
debian_DATA = %D%/50-librapi.conf

%D%/50-librapi.conf: %D%/debian.conf.in Makefile
	$(AM_V_GEN)$(SED) \
		-e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		-e 's|@lighttpdconfdir[@]|$(lighttpdconfdir)|' \
		-e 's|@run_dir[@]|$(runstatedir)/librapi|' \
		$(srcdir)/%D%/debian.conf.in >$@.tmp
	$(AM_V_at)mv $@.tmp $@

# lighttpd fixes the name, status and ".html"; the content is JSON.
errorsdir = $(datadir)/librapi/errors
errors_DATA = \
	%D%/errors/400.html \
	%D%/errors/403.html \
	%D%/errors/404.html \
	%D%/errors/405.html \
	%D%/errors/408.html \
	%D%/errors/411.html \
	%D%/errors/412.html \
	%D%/errors/413.html \
	%D%/errors/414.html \
	%D%/errors/415.html \
	%D%/errors/416.html \
	%D%/errors/417.html \
	%D%/errors/421.html \
	%D%/errors/429.html \
	%D%/errors/431.html \
	%D%/errors/500.html \
	%D%/errors/501.html \
	%D%/errors/502.html \
	%D%/errors/503.html \
	%D%/errors/504.html \
	%D%/errors/505.html

$(errors_DATA): %D%/errors.txt %D%/errors.awk
	$(AM_V_GEN)$(MKDIR_P) $(@D)
	$(AM_V_at)status=`basename $@ .html` && \
		$(AWK) -v status=$$status -f $(srcdir)/%D%/errors.awk \
			$(srcdir)/%D%/errors.txt >$@.tmp
	$(AM_V_at)mv $@.tmp $@

CLEANFILES += %D%/50-librapi.conf %D%/settings.sh $(errors_DATA)
EXTRA_DIST += \
	%D%/debian.conf.in \
	%D%/errors.awk \
	%D%/errors.txt \
	%D%/dev \
	%D%/docs/fetch \
	%D%/run \
	%D%/settings.sh.in

# What /docs/ shows.  Swagger UI is fetched when npm is there; the page says how
# to get it later.
docsdir = $(datadir)/librapi/docs
dist_docs_DATA = \
	%D%/docs/docs.js \
	%D%/docs/index.html
swagger_ui = \
	%D%/docs/swagger-ui.css \
	%D%/docs/swagger-ui-bundle.js \
	%D%/docs/LICENSE \
	%D%/docs/NOTICE

.PHONY: swagger-ui
swagger-ui:
	$(AM_V_GEN)NPM='$(NPM)' $(SHELL) $(srcdir)/%D%/docs/fetch %D%/docs

all-local:
	@test -z '$(NPM)' || test -s %D%/docs/NOTICE || \
		$(MAKE) --no-print-directory swagger-ui || \
		echo 'without Swagger UI; /docs/ will say how to get it'

install-data-hook: install-swagger-ui
.PHONY: install-swagger-ui
install-swagger-ui:
	test ! -s %D%/docs/NOTICE || \
		$(INSTALL_DATA) $(swagger_ui) '$(DESTDIR)$(docsdir)'

# What lighty-enable-mod has made leads to what is gone then, and lighttpd would
# not start with it.
uninstall-hook: uninstall-enabled
.PHONY: uninstall-enabled
uninstall-enabled:
	cd '$(DESTDIR)$(debiandir)/../conf-enabled' 2>/dev/null && \
		case `readlink 50-librapi.conf` in \
		'$(debiandir)/50-librapi.conf' | \
		../conf-available/50-librapi.conf) rm -f 50-librapi.conf ;; \
		esac || :

uninstall-hook: uninstall-swagger-ui
.PHONY: uninstall-swagger-ui
uninstall-swagger-ui:
	cd '$(DESTDIR)$(docsdir)' 2>/dev/null && \
		rm -f $(notdir $(swagger_ui)) || :
CLEANFILES += $(swagger_ui)

# The service from the build folder, in the foreground: make run PORT=8081
PORT = 8080

.PHONY: run
run: all
	@LIGHTTPD='$(LIGHTTPD)' CURL='$(CURL)' LIGHTTPD_PORT='$(PORT)' \
		$(SHELL) $(srcdir)/%D%/run '$(abs_builddir)'

# The same, built and started again whenever a source is saved, its data kept.
.PHONY: dev
dev: all
	@MAKE='$(MAKE)' PARTS='app/librapi $(lighttpdconf_DATA) $(errors_DATA)' \
		LIGHTTPD='$(LIGHTTPD)' CURL='$(CURL)' LIGHTTPD_PORT='$(PORT)' \
		$(SHELL) $(srcdir)/%D%/dev '$(srcdir)' \
		$(SHELL) $(srcdir)/%D%/run '$(abs_builddir)'
