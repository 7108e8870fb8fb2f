"""Zip files whose bytes depend on what is in them and on nothing else."""

import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from precip_sae.files import replacing

# Of a file and of a program, as git keeps them; 0o100000 says that it is a regular file.
PLAIN, EXECUTABLE = 0o100644, 0o100755


def write_zip(target: Path, members: Mapping[str, Path | bytes], when: datetime) -> None:
    """Writes the members in the order of their names, all of one time.

    The same members give the same bytes wherever zlib is the same.

    Args:
        target: the zip; an earlier one is replaced when the new one is whole.
        members: by their names in the zip, a file or its content.
        when: of every member, to two seconds, in UTC; not before 1980.

    Raises:
        OutputError: it cannot be written.
    """
    moment = when.astimezone(UTC).timetuple()[:6]
    with replacing(target) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as into:
        for name, content in sorted(members.items()):
            entry = zipfile.ZipInfo(name, moment)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            program = isinstance(content, Path) and content.stat().st_mode & 0o100
            entry.external_attr = (EXECUTABLE if program else PLAIN) << 16
            into.writestr(entry, content.read_bytes() if isinstance(content, Path) else content)
