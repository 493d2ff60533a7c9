"""What a cell of a table file holds, and the limits of such a file."""

# One more than the rows of data that an import takes: the names of the columns.
MAX_ROWS = 20_000
MAX_LINES = MAX_ROWS + 1
# No table of ours has half as many.
MAX_COLUMNS = 60
# What Excel itself keeps in a cell.
MAX_CELL_CHARACTERS = 32_767


class UnreadableFile(ValueError):
    """The file is not a table that can be read; says why in words."""


class CellProblem(ValueError):
    """The content of a cell is not what it has to be; says why in words."""


class UnclearCell:
    """A cell that cannot be read as it is shown. It is refused where its column is read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
