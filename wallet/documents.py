"""Documents that stay outside the chain, by their hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from wallet.errors import InvalidRequest


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file of any size, in lower-case hexadecimal.

    Raises:
        InvalidRequest: ``document_unreadable``.
    """
    try:
        with path.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()
    except OSError as error:
        detail = f"{path}: {error.strerror}"
        raise InvalidRequest("document_unreadable", detail, path=str(path)) from None
