"""The shell steps of the recipes in examples/ci report the results of their tests."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.conftest import SandboxTarget


RECIPES = Path(__file__).parent.parent / "examples" / "ci"

#: The address of Zephyr in the recipes.
SERVER = "https://example.yourzephyr.com"
SHARDS = 4

#: The files of the project that the recipes test.
PROJECT = {
    "pytest.ini": """
        [pytest]
        zephyr_project = Payments
        zephyr_release = name:1.0
        zephyr_cycle = Nightly
        zephyr_phase = Smoke
    """,
    "test_shop.py": """
        import pytest

        @pytest.mark.parametrize("browser", ["chrome", "firefox"])
        @pytest.mark.parametrize(
            "number", [pytest.param(n, marks=pytest.mark.zephyr(n)) for n in range(101, 107)]
        )
        def test_case(number, browser):
            assert (number, browser) != (106, "chrome")
    """,
}

#: Variables that a service sets to the same values in all jobs of a run.
SERVICES: dict[str, dict[str, str]] = {
    "github": {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "7"},
    "gitlab": {"GITLAB_CI": "true", "CI_PIPELINE_ID": "7", "CI_NODE_TOTAL": "4"},
    "jenkins": {"BUILD_TAG": "jenkins-shop-7", "JENKINS_URL": "http://jenkins.example"},
    "azure": {"TF_BUILD": "True", "BUILD_BUILDID": "7"},
}


@dataclass(frozen=True)
class Step:
    """A shell step and its variables; expressions of the service are not replaced yet."""

    script: str
    env: Mapping[str, str]


def read_jobs(path: Path) -> dict[str, list[Step]]:
    """Return the shell steps of each job of a recipe by the name of the job.

    The name is ``test`` or ``report``.
    """
    text = path.read_text(encoding="utf-8")
    service = path.stem.partition("-")[0]
    if service == "jenkins":
        return _read_jenkinsfile(text)
    document: Any = yaml.safe_load(text)
    if service == "gitlab":
        jobs = {name: document[name] for name in ("test", "report") if name in document}
        return {
            name: [Step(each, job.get("variables", {})) for each in job["script"]]
            for name, job in jobs.items()
        }
    if service == "github":
        jobs, key = document["jobs"], "run"
    else:
        listed = document.get("jobs", [{"job": "test", **document}])
        jobs, key = {each["job"]: each for each in listed}, "script"
    return {
        name: [Step(s[key], s.get("env", {})) for s in job["steps"] if key in s]
        for name, job in jobs.items()
    }


def _read_jenkinsfile(text: str) -> dict[str, list[Step]]:
    """Return the shell steps of the jobs of a Jenkinsfile, which is written in Groovy."""
    assert text.count("{") == text.count("}")
    test, _, report = text.partition("stage('Report')")
    jobs = {}
    for name, part in (("test", test), ("report", report)):
        env = dict(re.findall(r"^ +(ZEPHYR_\w+) = (\S.*)$", part, re.M))
        found = re.findall(r"\bsh (?:'''(.*?)'''|'(.*?)')", part, re.S)
        # Groovy joins a line that ends in a backslash with the next one.
        scripts = [(long or short).replace("\\\n", "") for long, short in found]
        if scripts:
            jobs[name] = [Step(each, env) for each in scripts]
    return jobs


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Return a directory with the commands of a CI machine; ``pip`` does nothing."""
    directory = tmp_path / "bin"
    directory.mkdir()
    commands = {
        "pip": "exit 0",
        "python": f'exec {sys.executable} "$@"',
        "pytest": f'exec {sys.executable} -m pytest "$@"',
        "pytest-zephyr": f'exec {sys.executable} -m pytest_zephyr "$@"',
    }
    for name, line in commands.items():
        (directory / name).write_text(f"#!/bin/sh\n{line}\n")
        (directory / name).chmod(0o755)
    return directory


@dataclass
class Runner:
    """Runs the jobs of one recipe, each in a checkout of its own."""

    path: Path
    tools: Path
    target: SandboxTarget
    service: str

    def checkout(self, name: str) -> Path:
        """Write the files of the project into a new directory, and return it."""
        directory = self.path / name
        directory.mkdir()
        for file, text in PROJECT.items():
            lines = [line.removeprefix("        ") for line in text.splitlines()]
            (directory / file).write_text("\n".join(lines))
        return directory

    def run(self, job: list[Step], name: str, shard: int = 1) -> Iterator[Any]:
        """Run the steps of a job in the checkout *name*; yield the result of each."""
        values = {
            "matrix.shard": shard,
            "secrets.ZEPHYR_TOKEN": self.target.sandbox.token,
            "ZEPHYR_TOKEN": self.target.sandbox.token,
            "System.TotalJobsInPhase": SHARDS,
            "System.JobPositionInPhase": shard,
            "Pipeline.Workspace": self.path / "artifacts",
        }

        def fill(text: str) -> str:
            pattern = r"\$\{\{ *([\w.]+) *\}\}|\$\(([\w.]+)\)"
            return re.sub(pattern, lambda m: str(values[m[1] or m[2]]), text)

        for step in job:
            env = {
                **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
                **SERVICES[self.service],
                **{key: fill(value) for key, value in step.env.items()},
                "PATH": f"{self.tools}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(RECIPES.parent.parent),
                "CI_NODE_INDEX": str(shard),
                "SHARD": str(shard),
                "GITHUB_STEP_SUMMARY": str(self.path / "summary.md"),
            }
            if "ZEPHYR_URL" in step.env:
                assert SERVER in step.env["ZEPHYR_URL"]
                env["ZEPHYR_URL"] = self.target.sandbox.url
                # GitLab sets the secret by itself, and Jenkins looks it up.
                env["ZEPHYR_TOKEN"] = self.target.sandbox.token
            yield subprocess.run(
                ["bash", "-e", "-c", fill(step.script)],
                cwd=self.path / name,
                env=env,
                capture_output=True,
                text=True,
                check=False,
            )


@pytest.fixture
def runner_for(
    tmp_path: Path, tools: Path, target: SandboxTarget
) -> Callable[[Path], Runner]:
    """Return a function that makes a runner for a recipe."""
    return lambda recipe: Runner(tmp_path, tools, target, recipe.stem.partition("-")[0])


def recipes(*, shards: bool) -> list[Any]:
    """Return the recipes with or without shards as parameters of a test."""
    paths = sorted([*RECIPES.glob("*.yml"), *RECIPES.glob("*.groovy")])
    chosen = (path for path in paths if ("-shards" in path.stem) is shards)
    return [pytest.param(path, id=path.stem) for path in chosen]


#: The status of each test case of `PROJECT`: 1 is Pass, 2 is Fail.
EXPECTED_STATUSES = {**dict.fromkeys(range(101, 106), "1"), 106: "2"}


@pytest.mark.parametrize("recipe", recipes(shards=False))
def test_one_job_reports_its_results(runner_for, target, recipe):
    (job,) = read_jobs(recipe).values()
    runner = runner_for(recipe)
    runner.checkout("test")
    done = list(runner.run(job, "test"))

    # The first step installs; the second runs the tests, of which one fails.
    assert [each.returncode for each in done] == [0, 1, *[0] * (len(done) - 2)]
    assert "View results: " in done[1].stdout
    assert target.statuses() == EXPECTED_STATUSES
    assert list((runner.path / "test" / "journals").glob("*.jsonl"))
    assert list((runner.path / "test").glob("zephyr.*"))


@pytest.mark.parametrize("recipe", recipes(shards=True))
def test_the_last_job_reports_the_results_of_all_jobs(runner_for, target, recipe):
    jobs = read_jobs(recipe)
    runner = runner_for(recipe)
    exit_codes = []
    for shard in range(1, SHARDS + 1):
        name = f"test-{shard}"
        runner.checkout(name)
        done = list(runner.run(jobs["test"], name, shard))
        assert done[0].returncode == 0
        exit_codes.append(done[1].returncode)
        # Each shard has 3 of the 12 tests.
        assert re.search(r"\b[23] passed", done[1].stdout)
    # One of the tests fails.
    assert sorted(exit_codes) == [0, 0, 0, 1]
    assert target.writes == []

    report = runner.checkout("report")
    for shard in range(1, SHARDS + 1):
        journals = runner.path / f"test-{shard}" / "journals"
        shutil.copytree(journals, report / "journals", dirs_exist_ok=True)
        shutil.copytree(journals, runner.path / "artifacts" / f"journals-{shard}-1")
    done = list(runner.run(jobs["report"], "report"))

    assert [each.returncode for each in done] == [0] * len(done), done[1].stderr
    assert "View results: " in done[1].stdout
    assert target.statuses() == EXPECTED_STATUSES
    assert list(report.glob("zephyr.*"))


@pytest.mark.parametrize("recipe", [*recipes(shards=False), *recipes(shards=True)])
def test_recipe_is_complete(recipe):
    """A recipe checks out, installs, reports, keeps artifacts and contains no secret."""
    text = recipe.read_text(encoding="utf-8")
    *_, last = read_jobs(recipe).values()

    assert re.search(r"checkout|checks out", text)
    assert re.search(r"upload-artifact|artifacts|archiveArtifacts|publish", text)
    assert "pip install" in last[0].script
    assert "pytest-zephyr" in last[0].script
    assert any(each.env.get("ZEPHYR_URL", "").strip("'") == SERVER for each in last)
    assert not re.search(r"ZEPHYR_TOKEN\s*[:=]\s*['\"]?[0-9a-f]{8}", text)


def test_the_readme_lists_every_recipe():
    readme = (RECIPES / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"\]\((\S+)\)", readme))

    assert listed == {path.name for path in RECIPES.iterdir()} - {"README.md"}
