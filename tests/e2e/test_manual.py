#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
The manual pages and bash's completion say what librapi --help says, which is
made from the program's own tables; librapi-api(7) says what openapi.json and
the table of failures do.
"""

import os
import re
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


if __name__ == "__main__":
    librapi.main()
