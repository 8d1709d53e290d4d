"""``surefoot``: progress on stderr, results on stdout, and exit codes that say how it ended."""

# ruff: noqa: PLC0415  so that the version is printed before anything is imported

import os
import signal
import sys


def main() -> None:
    """Run the command line. ``--version`` is answered without importing anything else."""
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version

        print(version("surefoot"))
        sys.exit(0)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(_run())


def _run() -> int:
    from surefoot.cli import run
    from surefoot.exit_codes import Exit

    try:
        return int(run(sys.argv[1:]))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its exit
        return Exit.FAILED


if __name__ == "__main__":
    main()
