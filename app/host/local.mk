# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a bare host needs around the program.  systemd looks into these folders
# under /usr and under /usr/local (systemd.unit(5), sysusers.d(5)).

systemunitdir = $(prefix)/lib/systemd/system
systemunit_DATA = %D%/librapi.service

%D%/librapi.service: %D%/librapi.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D)
	$(AM_V_at)$(SED) \
		-e 's|@bindir[@]|$(bindir)|' \
		-e 's|@sysconfdir[@]|$(sysconfdir)|' \
		$(srcdir)/%D%/librapi.service.in >$@.tmp
	$(AM_V_at)mv $@.tmp $@

# Each has the program's name where it goes, as is the custom there.
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
completionsdir = $(datadir)/bash-completion/completions

install-data-hook: install-host
.PHONY: install-host
install-host:
	$(MKDIR_P) '$(DESTDIR)$(sysusersdir)' '$(DESTDIR)$(tmpfilesdir)' \
		'$(DESTDIR)$(completionsdir)'
	$(INSTALL_DATA) $(srcdir)/%D%/librapi.sysusers \
		'$(DESTDIR)$(sysusersdir)/librapi.conf'
	$(INSTALL_DATA) $(srcdir)/%D%/librapi.tmpfiles \
		'$(DESTDIR)$(tmpfilesdir)/librapi.conf'
	$(INSTALL_DATA) $(srcdir)/%D%/librapi.bash \
		'$(DESTDIR)$(completionsdir)/librapi'

uninstall-hook: uninstall-host
.PHONY: uninstall-host
uninstall-host:
	rm -f '$(DESTDIR)$(sysusersdir)/librapi.conf' \
		'$(DESTDIR)$(tmpfilesdir)/librapi.conf' \
		'$(DESTDIR)$(completionsdir)/librapi'

CLEANFILES += %D%/librapi.service
EXTRA_DIST += \
	%D%/librapi.bash \
	%D%/librapi.service.in \
	%D%/librapi.sysusers \
	%D%/librapi.tmpfiles
