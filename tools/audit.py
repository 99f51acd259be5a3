"""Ask for known vulnerabilities of what is installed; say so if nobody can be asked."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--format=json"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    packages = _packages(ran.stdout)
    checked = [each for each in packages if "vulns" in each]
    if not checked:
        _say("nothing was checked: the data on vulnerabilities cannot be reached")
        return 0
    _say(f"{len(checked)} packages of {len(packages)} were checked")
    found = [
        (each, vulnerability) for each in checked for vulnerability in each["vulns"]
    ]
    for package, vulnerability in found:
        fixed = ", ".join(vulnerability["fix_versions"]) or "nothing yet"
        name = f"{package['name']} {package['version']}"
        _say(f"{name}: {vulnerability['id']}, mended in {fixed}")
    return 1 if found else 0


def _packages(document: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(document)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return []
    return found


def _say(line: str) -> None:
    sys.stdout.write(f"audit: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
