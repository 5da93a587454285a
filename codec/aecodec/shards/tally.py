"""What came of a shard's pictures."""

from dataclasses import dataclass, field

from ..batch import Row

MESSAGES, NAMES, LENGTH = 100, 100, 1000  # that are kept at most, and characters of each: strangers chose them


@dataclass
class Tally:
    done: int = 0
    failed: int = 0  # these are in the result as they were
    others: int = 0  # members or rows that are no picture, which are kept, too
    left_out: int = 0  # folders, links and devices in a tar
    bytes_before: int = 0  # of the pictures that are done
    bytes_after: int = 0
    errors: dict[str, int] = field(default_factory=dict)  # how often each message came
    failed_names: list[str] = field(default_factory=list)  # the first of them

    def add(self, name: str, before: int, row: Row) -> None:
        """Counts a picture of so many bytes by what became of it."""
        if row.bytes is not None:
            self.done += 1
            self.bytes_before += before
            self.bytes_after += row.size
            return
        self.failed += 1
        message = (row.error or "")[:LENGTH]
        if message not in self.errors and len(self.errors) >= MESSAGES:
            message = "other errors"
        self.errors[message] = self.errors.get(message, 0) + 1
        if len(self.failed_names) < NAMES:
            self.failed_names.append(name[:LENGTH])
