#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
The manual pages and bash's completion say what librapi --help says, which is
made from the program's own tables; librapi-api(7) says what openapi.json and
the table of failures do.
"""

import os
import re
import signal
import subprocess

import librapi
from contract import CONTRACT

PAGES = os.path.join(librapi.SOURCE, "app", "docs")
COMPLETION = os.path.join(librapi.SOURCE, "app", "host", "librapi.bash")


def unfolded(text):
    return " ".join(text.split())


class Help:
    """--help taken apart: {command: about}, {setting: about}, [option]."""

    def __init__(self):
        text = subprocess.run([librapi.PROGRAM, "--help"], check=True,
                              capture_output=True, text=True).stdout
        commands, rest = text.split("\nCommands:\n")[1].split("\nOptions:\n")
        options, settings = rest.split("\nSettings:\n")
        self.commands = dict(re.findall(r"^  ([a-z-]+) +(.*)$", commands,
                                        re.M))
        self.options = re.findall(r"^  (--[a-z-]+)", options, re.M)
        self.settings = {
            name: unfolded(about) for name, about in re.findall(
                r"^  --([a-z-]+)=.*\n((?:        .*\n)+)", settings, re.M)}


def page(name):
    """{tag: paragraph} of the tagged paragraphs, without roff's escapes."""
    with open(os.path.join(PAGES, name), encoding="utf-8") as f:
        text = f.read().replace("\\-", "-").replace("\\&", "")
    found = {}
    for item in text.split("\n.TP\n")[1:]:
        tag, _, rest = item.partition("\n")
        rest = re.split(r"^\.(?:SH|PP)", rest, maxsplit=1, flags=re.M)[0]
        tag = re.sub(r"^\.BI? ", "", tag)
        found[tag] = unfolded(re.sub(r"^\.BR? ", "", rest, flags=re.M))
    return found


def restart_settings():
    """The settings in the section of librapi.conf(5) on restarts."""
    with open(os.path.join(PAGES, "librapi.conf.5.in"), encoding="utf-8") as f:
        section = f.read().replace("\\-", "-").partition(
            "\n.SH SETTINGS THAT TAKE A RESTART\n")[2].partition("\n.SH ")[0]
    return set(re.findall(r"^\.BR? ([a-z-]+)", section, re.M))


def another(name, value, folder):
    """Another value that a setting may have, together with the others."""
    if value.isdigit():
        return int(value) - 1 if int(value) else 1
    if name.endswith("-listen") or name == "listen":
        return f"unix:{folder}/{name}"
    if value in ("true", "false"):
        return "false" if value == "true" else "true"
    return {"engine": "memory", "log-level": "debug",
            "cors-origin": "http://a.example"}.get(name, f"{folder}/other")


class Manual(librapi.TestCase):
    def test_every_command_and_option_has_its_paragraph(self):
        told, have = Help(), page("librapi.1")
        self.assertIn("serve", told.commands)
        for name in [*told.commands, *told.options]:
            self.assertGreater(len(have.get(name, "")), 20, name)
        for name in have:
            if re.fullmatch("[a-z-]+", name):
                self.assertTrue(name in told.commands or
                                name in told.options or "." in name, name)

    def test_every_setting_is_told_as_the_table_has_it(self):
        told, have = Help().settings, page("librapi.conf.5.in")
        del told["config-file"]
        self.assertGreater(len(told), 19)
        for name, about in told.items():
            # Defaults that configure decides on are filled in by make.
            about = re.sub("default [^ ]*/librapi[^ )]*", "default @", about)
            page_has = re.sub("default @[a-z_]*@", "default @",
                              have.get(name, "absent"))
            self.assertEqual(page_has, about + ".", name)
        for name in have:
            if re.fullmatch("[a-z]+(-[a-z]+)*", name):
                self.assertIn(name, told)

    def test_the_settings_that_take_a_restart_are_told(self):
        told = restart_settings()
        self.assertEqual(told, self.kept_by_a_reload())
        with open(os.path.join(librapi.SOURCE, "lighttpd", "settings.sh.in"),
                  encoding="ascii") as f:
            of_lighttpd = set(re.findall(r"\$\((?:setting|socket) ([a-z-]+)",
                                         f.read()))
        self.assertIn("docs-dir", of_lighttpd)
        self.assertLessEqual(of_lighttpd, told)

    def kept_by_a_reload(self):
        """Of all settings, changed in the file, those that the log names."""
        folder = self.folder()
        file, log = (os.path.join(folder, name) for name in ("conf", "log"))

        def write(values):
            with open(file, "w", encoding="ascii") as f:
                f.writelines(f"{name} = {value}\n"
                             for name, value in values.items())

        begun = {"data-dir": os.path.join(folder, "data"),
                 "run-dir": os.path.join(folder, "run")}
        write(begun)
        env = {"LIBRAPI_CONFIG_FILE": file}
        config = subprocess.run([librapi.PROGRAM, "--print-config"], env=env,
                                check=True, capture_output=True,
                                text=True).stdout
        values = dict(re.findall(r"^([a-z-]+) = (.*?) *#", config, re.M))
        self.assertGreater(len(values), 19)
        with open(log, "wb") as f:
            service = subprocess.Popen(
                librapi.DIES_WITH_US + [librapi.PROGRAM, "serve"], env=env,
                stderr=f)
        self.addCleanup(service.wait)
        self.addCleanup(service.terminate)

        def logged(event):
            with open(log, encoding="utf-8") as f:
                return re.findall(f" event={event}(?: setting=([a-z_]+))?",
                                  f.read())
        librapi.wait_until(lambda: logged("started"), "started")
        write({name: another(name, value, folder)
               for name, value in values.items()})
        service.send_signal(signal.SIGHUP)
        librapi.wait_until(lambda: logged("reload(?:ed|-failed)"), "reloaded")
        self.assertFalse(logged("reload-failed"))
        return {name.replace("_", "-") for name in logged("restart-needed")}


class Api(librapi.TestCase):
    def test_every_operation_has_its_paragraph(self):
        have = page("librapi-api.7")
        told = {f"{method.upper()} {path}"
                for path, method in CONTRACT.operations}
        self.assertEqual(told, {tag for tag in have if "/" in tag})

    def test_every_error_is_told_as_the_table_has_it(self):
        have = page("librapi-api.7")
        with open(os.path.join(librapi.SOURCE, "app", "api", "failure.c"),
                  encoding="utf-8") as f:
            rows = re.findall(r'(\d{3}),\s*"([a-z-]+)",\s*"[^"]+",[\s\\\\]*'
                              r'((?:"[^"]*"[\s\\\\]*)+)', f.read())
        self.assertGreater(len(rows), 15)
        for status, code, detail in rows:
            detail = "".join(re.findall('"([^"]*)"', detail))
            self.assertEqual(have.get(f"{status} {code}"),
                             detail[0].upper() + detail[1:] + ".")
        self.assertEqual(len(rows), len([tag for tag in have
                                         if tag[0].isdigit()]))


class Completion(librapi.TestCase):
    def complete(self, *words):
        """What bash offers for the last of these words."""
        script = ('. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                  '_librapi "$1"; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(
            ["bash", "-uc", script, "bash", COMPLETION, librapi.PROGRAM,
             *words], capture_output=True, text=True, cwd=self.folder(),
            timeout=librapi.TIMEOUT)
        self.assertEqual(done.stderr, "", words)
        return [line for line in done.stdout.split("\n") if line]

    def test_every_command_is_offered(self):
        self.assertEqual(sorted(self.complete("")), sorted(Help().commands))
        self.assertEqual(self.complete("che"), ["check"])

    def test_every_option_and_setting_is_offered(self):
        told = Help()
        self.assertEqual(
            sorted(self.complete("serve", "--")),
            sorted([f"--{name}=" for name in told.settings] + told.options))
        self.assertEqual(self.complete("--data"), ["--data-dir="])

    def test_the_values_of_a_choice_are_offered(self):
        for words, offered in (
                (("--engine", "=", ""), ["gdbm", "memory"]),
                (("--engine", "="), ["gdbm", "memory"]),
                (("serve", "--engine", "=", "m"), ["memory"]),
                (("--require-conditions", ""), ["false", "true"]),
                (("--log-level", "=", "w"), ["warn"]),
                (("--workers", "=", ""), [])):
            self.assertEqual(sorted(self.complete(*words)), offered, words)

    def test_folders_and_files_are_offered_where_one_is_wanted(self):
        folder = self.folder()
        os.makedirs(os.path.join(folder, "deep"))
        path = os.path.join(folder, "deep")
        self.assertEqual(self.complete("--data-dir", "=", path[:-1]), [path])
        self.assertEqual(self.complete("--config-file", path[:-1]), [path])

    def test_what_a_token_takes_is_offered(self):
        for words, offered in (
                (("",), ["new"]),
                (("new", ""), ["--prefix=", "--role="]),
                (("new", "--r"), ["--role="]),
                (("new", "--role", "=", ""), ["admin", "read", "write"]),
                (("new", "--role", "w"), ["write"]),
                (("new", "--prefix", "=", "a"), []),
                (("new", "--role", "=", "read", "--p"), ["--prefix="])):
            self.assertEqual(sorted(self.complete("token", *words)), offered,
                             words)

    def test_files_are_offered_to_import_bolt(self):
        path = os.path.join(self.folder(), "old.db")
        with open(path, "w", encoding="ascii"):
            pass
        self.assertEqual(self.complete("import-bolt", path[:-1]), [path])
        self.assertEqual(self.complete("import-bolt", path, "--data-d"),
                         ["--data-dir="])
        self.assertEqual(self.complete("import-bolt", path, "--data-dir", "=",
                                       path[:-1]), [])
        self.assertEqual(self.complete("load", path[:-1]), [])


if __name__ == "__main__":
    librapi.main()
