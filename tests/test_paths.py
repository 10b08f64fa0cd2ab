"""What a run leaves has paths that Windows takes, whatever the pipeline is called."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conftest import Repository, in_full_tier

LONGEST = 260 - 1 - 60
"""Characters of a path below a repository whose own has 60; the last of Windows' 260 ends it."""

REGION = len("ap-southeast-1") - len("us-east-1")
"""What a bucket's name is longer by in the region that has the longest."""


@in_full_tier
@pytest.mark.parametrize("scenario", ["churn", "fraud", "attrition", "salary"])
def test_paths_of_a_run_fit_under_windows_with_the_longest_names(
    render: Callable[..., Repository], scenario: str
) -> None:
    longest_name = 50 if scenario == "attrition" else 63  # its further groups' names add 13
    repository = render(scenario=scenario, project_slug="p" * longest_name, step_prefix="P" * 20)
    repository.pipeline("run")
    files = [name for name in repository.files() if name.startswith(".local/")]
    longest = max(files, key=len)
    assert len(longest) + REGION < LONGEST, longest
    assert any("/output/model.tar.gz" in name for name in files)
    assert any(name.endswith(".parquet") for name in files)
    assert "version" in repository.pipeline("registry").stdout
