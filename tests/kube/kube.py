# SPDX-License-Identifier: GPL-3.0-or-later
"""
What the tests of chart and manifests share: helm and Kubernetes' types out of
npm's packages (package.json pins them), and kustomize as kubectl has it.
"""

import json
import os
import re
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
HELM = os.path.join(WORK.name, "node_modules", ".bin", "helm")


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
    """{"a.b": 1} as arguments of helm."""
    return [word for name, value in values.items()
            for word in ("--set", f"{name}={value}")]


def template(*arguments, check=True):
    return run(HELM, "template", "librapi", CHART, "--namespace=librapi",
               *arguments, check=check)


def kustomizer():
    """A kubectl whose kustomize reads what today's writes, or None."""
    kubectl = shutil.which("kubectl")
    if not kubectl:
        return None
    version = json.loads(run(kubectl, "version", "--client",
                             "--output=json").stdout)["clientVersion"]
    minor = int(re.match(r"\d+", version["minor"])[0])
    return kubectl if minor >= 21 else None


def kustomize(name):
    return run(kustomizer(), "kustomize",
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
