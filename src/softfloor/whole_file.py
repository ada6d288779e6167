"""Files that appear whole or not at all: written beside under another name, renamed when complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when the block ends without an exception.

    Until then the bytes are in a temporary file in the same folder, which any exception removes, `KeyboardInterrupt`
    included. A file that was at ``path`` stays as it was until the rename, which is atomic.

    Parameters
    ----------
    path : Path
        Where the file shall be. A symbolic link is followed.

    Yields
    ------
    file
        Open for writing bytes.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "a.txt") as file:
    ...     _ = file.write(b"whole")
    >>> [entry.name for entry in folder.iterdir()]
    ['a.txt']
    """
    target = Path(os.path.realpath(path))
    # 50 characters are at most 200 bytes, where file systems allow a name 255.
    temporary = target.with_name(f".{target.name[:50]}.{os.getpid()}.part")
    opened = temporary.open("xb")  # outside of what removes it: a file that is there already is another's
    try:
        with opened as file:
            yield file
            file.flush()
            # Some file systems report a full disk no earlier than here.
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
