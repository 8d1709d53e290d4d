"""``surefoot``: progress on stderr, results on stdout, and exit codes that say how it ended."""

# ruff: noqa: PLC0415  so that the version is printed before anything is imported

import os
import signal
import sys
import traceback


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
    except Exception as error:  # noqa: BLE001  whose text may be somebody else's, and Python would print it as it is
        from surefoot.output import fail

        lines = "".join(traceback.format_exception(error)).splitlines()
        return fail("this is a fault of surefoot itself:", Exit.FAILED, lines)


if __name__ == "__main__":
    main()
