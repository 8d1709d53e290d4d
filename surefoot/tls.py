"""Which certificates the command line trusts when it calls the API."""

import os
import ssl

from services._chassis.connection_settings import ConnectionFault
from services._chassis.tls_files import TlsFiles
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo


def trusted() -> ssl.SSLContext | bool:
    """Return the authorities of ``SUREFOOT_CA_FILE``; True, those of this machine, without it. Raise ``CannotDo``."""
    file = os.environ.get("SUREFOOT_CA_FILE")
    if not file:
        return True
    try:
        return TlsFiles("the API", ("SUREFOOT_CA_FILE", "", ""), file).context
    except ConnectionFault as fault:
        raise CannotDo(str(fault), Exit.USAGE) from None
