"""Limits of a table file, and errors of its cells."""

# The maximum number of data rows in an import. The file has one more row for the column names.
MAX_ROWS = 20_000
MAX_LINES = MAX_ROWS + 1
# Our widest table has fewer than half as many columns.
MAX_COLUMNS = 60
# Excel's own limit for a cell.
MAX_CELL_CHARACTERS = 32_767


class UnreadableFile(ValueError):
    """The file cannot be read as a table. The text of the exception is a message for the user."""


class CellProblem(ValueError):
    """The content of a cell is not valid. The text of the exception is a message for the user."""


class UnclearCell:
    """A cell whose displayed text is uncertain. Reading it raises CellProblem; in an ignored column it does no harm."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
