"""The names of the log lines of keystores, and what each tells: stable, for programs that watch logs."""

from __future__ import annotations

from typing import Final

from framework import LogEvent

# Any keystore
CALL_HANGS: Final = LogEvent(
    "keystore.call-hangs", "keystore %(keystore)s: %(operation)s has not ended within %(seconds)g s"
)
CONTRACT_BROKEN: Final = LogEvent("keystore.contract-broken", "keystore breaks its contract: %(error)s")
ANNOUNCEMENT_FAILED: Final = LogEvent(
    "keystore.announcement-failed", "a change of %(aliases)s was stored, but its announcement failed"
)

# Keystores in files
FILE_MADE: Final = LogEvent("keystore.file-made", "made a new, empty keystore: %(path)s")
FILE_WAS_OPEN: Final = LogEvent("keystore.file-was-open", "%(path)s was open to other users; it no longer is")
FILE_DAMAGED: Final = LogEvent("keystore.file-damaged", "%(damage)s; its previous generation is used now, see %(note)s")
ENTRIES_MOVED: Final = LogEvent("keystore.entries-moved", "moved %(entries)d entries from %(former)s to %(path)s")
FORMER_FILE: Final = LogEvent("keystore.former-file", "former file of the keystore: %(problem)s")

# Keystores in tokens
TOKEN_OPENED_ANEW: Final = LogEvent("token.opened-anew", "%(token)s: opening it anew after %(error)s")
TOKEN_WITHOUT_INDEX: Final = LogEvent("token.without-index", "%(token)s has no index; it is made anew from %(aliases)s")
TOKEN_NOT_TIDIED: Final = LogEvent(
    "token.not-tidied", "%(token)s: what is no longer needed stays until the next opening (%(error)s)"
)
CERTIFICATE_UNREADABLE: Final = LogEvent(
    "token.certificate-unreadable", "a certificate object cannot be read and is left alone: %(error)s"
)
TRUST_UNKNOWN: Final = LogEvent(
    "token.trust-unknown", "the token does not say whether a certificate is trusted: %(error)s"
)

# CRLs
CRL_UPKEEP_FAILED: Final = LogEvent("crl.upkeep-failed", "looking after CRLs failed")
CRL_FETCH_FAILED: Final = LogEvent("crl.fetch-failed", "fetching the CRL of %(source)s failed")
CRL_NOT_REFRESHED: Final = LogEvent("crl.not-refreshed", "CRL not refreshed: %(problem)s")
CRL_FORGOTTEN: Final = LogEvent("crl.forgotten", "CRL forgotten: %(crl)s")
CRL_NOT_USED: Final = LogEvent(
    "crl.not-used", "the CRL %(path)s is not used: %(error)s; it is fetched again, or see to its file system"
)

# Export as PEM files
EXPORT_FAILED: Final = LogEvent("export.failed", "the export failed")
EXPORT_PROBLEM: Final = LogEvent("export.problem", "export: %(problem)s")
EXPORT_ENDED: Final = LogEvent("export.ended", "nothing is exported to %(path)s any more")
EXPORT_NOT_WITHDRAWN: Final = LogEvent("export.not-withdrawn", "export not taken back: %(problem)s")

# TLS contexts
TLS_ENTRIES_UNKNOWN: Final = LogEvent("tls.entries-unknown", "the entries for TLS were not looked at")
REVOCATION_UNKNOWN: Final = LogEvent("tls.revocation-unknown", "revocation is not known: %(error)s")
