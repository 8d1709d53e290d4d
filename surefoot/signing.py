"""Signs what an outside party publishes, by the settings that the services have as well."""

from collections.abc import Mapping
from pathlib import Path

from contracts.envelope import Message
from contracts.topics import Party
from services._chassis.signatures import Signer
from services._chassis.signing_keys import KeyFault, read_private
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo


def signed(message: Message, party: Party, environment: Mapping[str, str]) -> Message:
    """Return the message with the party's signature; as it is where ``SUREFOOT_SIGNING_KEY`` is not set.

    Raise ``CannotDo`` where the key cannot be read.
    """
    path = environment.get("SUREFOOT_SIGNING_KEY")
    if not path:
        return message
    try:
        return Signer(read_private(Path(path.replace("{party}", party)))).sign(message)
    except KeyFault as fault:
        raise CannotDo(f"{fault}; SUREFOOT_SIGNING_KEY names it", Exit.USAGE) from fault
