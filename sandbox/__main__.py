"""`python -m sandbox`: Kafka, Redis and AWS in the foreground; prints the environment that points at them."""

import argparse
import signal
import sys
from pathlib import Path

from sandbox.child import NotStarted
from sandbox.stack import USUAL_PORTS, sandbox


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--speed", type=float, default=20.0, help="product seconds in a real second")
    parser.add_argument("--data", type=Path, default=Path(".surefoot/sandbox"), help="emptied at the start")
    parser.add_argument("--without-kafka", action="store_true", help="KAFKA_BOOTSTRAP_SERVERS names another one")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with sandbox(
            given.data, ports=USUAL_PORTS, speed=given.speed, own_kafka=not given.without_kafka
        ) as environment:
            for name, value in environment.items():
                sys.stdout.write(f"export {name}={value}\n")
            sys.stdout.flush()
            sys.stderr.write("The sandbox runs; Ctrl+C ends it.\n")
            signal.pause()
    except NotStarted as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
