"""Does what the README tells a user to paste work, outside the repository?"""

import re
from pathlib import Path

import pytest

BLOCKS = re.findall(
    r"Save this as\s+`(test_\w+\.py)`.*?```python\n(.*?)```",
    (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8"),
    re.DOTALL,
)


def test_there_are_examples():
    assert [name for name, _ in BLOCKS] == ["test_mine.py", "test_own.py"]


@pytest.mark.parametrize(("name", "code"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_examples_pass_as_pasted(name, code, tmp_path, run_pytest):
    (tmp_path / name).write_text(code, encoding="utf-8")
    result = run_pytest(tmp_path, name, "--report", "mine.html")
    assert result.returncode == 0, result.stdout
    assert "1 claim, 3 variants" in result.stdout
    assert "all as expected" in result.stdout
    assert "MINE/" in (tmp_path / "mine.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "code"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_examples_are_short(name, code):
    """A claim is 15 lines; imports apart."""
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith("from ")]
    assert len(lines) <= 15
