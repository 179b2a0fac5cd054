"""`manual`: the manual page, for packagers and for people."""

from __future__ import annotations

from typing import Final

from framework.admin.command import Answer, Command, Invocation, OfflineInvocation
from framework.admin.commands import schemas
from framework.admin.manual import manual_page
from framework.admin.parsing import CommandTable


def _manual(invocation: Invocation) -> Answer:
    from framework.admin.commands import framework_commands  # noqa: PLC0415  # which lists this command, too

    return _answer(CommandTable([*framework_commands(), *invocation.gateway.commands]))


def _manual_offline(_invocation: OfflineInvocation) -> Answer:
    from framework.admin.offline import installed_commands  # noqa: PLC0415  # which uses the list of commands

    return _answer(installed_commands())


def _answer(table: CommandTable) -> Answer:
    from framework.run import run_parser  # noqa: PLC0415  # what starts a gateway, for its arguments only

    page = manual_page(table, run_parser())
    return Answer({"page": page}, page.rstrip("\n"))


COMMANDS: Final = (
    Command(
        path=("manual",),
        help="the manual page gatewright(1), made from the help of all commands",
        run=_manual,
        offline=_manual_offline,
        examples=("gatewright manual",),
        schema=schemas.manual,
    ),
)
