"""Report known vulnerabilities of the installed packages.

If nothing can be checked, for example without a network, this is reported, and the exit
code is 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--format=json"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    packages = _packages(result.stdout)
    checked = [each for each in packages if "vulns" in each]
    if not checked:
        reason = "the data on vulnerabilities cannot be reached"
        if not packages and (lines := result.stderr.splitlines()):
            reason = f"pip-audit failed: {lines[-1]}"
        _say(f"nothing was checked: {reason}")
        return 0
    _say(f"{len(checked)} packages of {len(packages)} were checked")
    vulnerabilities = [
        (each, vulnerability) for each in checked for vulnerability in each["vulns"]
    ]
    for package, vulnerability in vulnerabilities:
        fixed_in = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        name = f"{package['name']} {package['version']}"
        _say(f"{name}: {vulnerability['id']}, fixed in {fixed_in}")
    return 1 if vulnerabilities else 0


def _packages(document: str) -> list[dict[str, Any]]:
    """Return the packages in the output of pip-audit; empty if it has failed."""
    try:
        packages: list[dict[str, Any]] = json.loads(document)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return []
    return packages


def _say(line: str) -> None:
    sys.stdout.write(f"audit: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
