"""The file of a named lock: held by ``flock`` as long as its process lives, and beside it who took it last.

One call takes it alone, writes down who it is, and then shares it with other calls of the same run. So what is written
down can be believed by whoever has joined: it changes only while nobody else holds the file.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from batch_submit.adapters.own_files import open_locked_file, own_folder, write_whole
from batch_submit.errors import HostNotReady
from batch_submit.plan.locks import LockHolder


class LockFile:
    """One lock of one cluster and user on this host.

    The locked file is never replaced, because a lock belongs to an inode; what is written about the holder lies in
    another one, which is.

    Parameters
    ----------
    folder
        Made with mode 0700 when it is needed.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.lock"
        self._about = folder / f"{name}.json"
        self._descriptor = -1

    def take(self) -> bool:
        """Take it for this call alone, if no living process has it. It ends with this process, however that ends.

        Raises
        ------
        HostNotReady
            The file can't be made.
        """
        return self._locked(fcntl.LOCK_EX)

    def join(self) -> bool:
        """Hold it together with those who share it; ``False`` while somebody has it alone.

        Raises
        ------
        HostNotReady
            The file can't be made.
        """
        return self._locked(fcntl.LOCK_SH)

    def share(self) -> bool:
        """Let others join what was taken; ``False``: somebody took it between the two, for the kernel lets go first."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return True

    def _locked(self, how: int) -> bool:
        try:
            own_folder(self.path.parent)
            descriptor = open_locked_file(self.path)
        except OSError as error:
            raise self._unable(error) from error
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give it back; nothing when it is not ours."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def holder(self) -> LockHolder | None:
        """Who took it last; ``None`` when nobody has said so."""
        try:
            return LockHolder.from_json(self._about.read_text(encoding="utf-8"))
        except OSError:
            return None

    def tell(self, holder: LockHolder | None) -> None:
        """Write down who has it; ``None`` for nobody. Only for who took it.

        Raises
        ------
        HostNotReady
            It can't be written.
        """
        try:
            if holder is None:
                self._about.unlink(missing_ok=True)
                return
            write_whole(self._about, holder.to_json().encode())
        except OSError as error:
            raise self._unable(error) from error

    def _unable(self, error: OSError) -> HostNotReady:
        return HostNotReady(
            f"the lock can't be taken: {error.strerror or error}",
            where=str(self.path),
            next_step="make the folder writable, or set XDG_STATE_HOME to one that is",
        )
