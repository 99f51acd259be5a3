"""Ask for known vulnerabilities of what is installed; say so if nobody can be asked."""

from __future__ import annotations

import subprocess
import sys


#: What pip-audit says when its data cannot be reached.
AWAY = (
    "ConnectionError",
    "Could not connect",
    "ConnectTimeout",
    "ServiceError",
    "Max retries",
)


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner=off"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    sys.stdout.write(ran.stdout)
    sys.stderr.write(ran.stderr)
    if ran.returncode and any(sign in ran.stderr for sign in AWAY):
        sys.stdout.write(
            "The vulnerability data cannot be reached: nothing is checked.\n"
        )
        return 0
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main())
