"""The all-in-one: all seven services in one process, on one port."""

from contracts.topics import SERVICES
from services._chassis.run import main

if __name__ == "__main__":
    main(*(f"services.{service}" for service in SERVICES))
