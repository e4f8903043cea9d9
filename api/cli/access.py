"""`tams access`: entries for the file of tokens and users that are admitted."""

from __future__ import annotations

import json

import click

from api.access import hashing
from tams_data.access import RESERVED, Scope

_WORDS = [scope.word for scope in Scope]
_SCOPES = click.option(
    "--scope", "scopes", type=click.Choice(_WORDS), multiple=True, default=["read"], help="What it is for; several"
)
_GROUPS = click.option(
    "--group", "groups", multiple=True, help="Show only what has an auth class of this group; several. Default: all"
)


@click.group()
def access() -> None:
    """Make entries for TAMS_ACCESS_FILE, which has a list of `tokens` and one of `users`."""


@access.command("token")
@click.argument("name")
@_SCOPES
@_GROUPS
def token(name: str, scopes: tuple[str, ...], groups: tuple[str, ...]) -> None:
    """Make a token for NAME: the token, which is shown this once, and its entry."""
    made = hashing.new_token()
    click.echo(f"The token, which is kept nowhere: {made}", err=True)
    _echo_entry(name, hashing.hash_of_token(made), scopes, groups)


@access.command("user")
@click.argument("name")
@_SCOPES
@_GROUPS
@click.password_option(help="Default: it is asked for")
def user(name: str, scopes: tuple[str, ...], groups: tuple[str, ...], password: str) -> None:
    """Make the entry of a user called NAME, with a password."""
    if ":" in name:
        raise click.BadParameter("a name that is sent with a password has no colon")
    _echo_entry(name, hashing.hash_of_password(password), scopes, groups)


def _echo_entry(name: str, kept: str, scopes: tuple[str, ...], groups: tuple[str, ...]) -> None:
    for group in groups:
        if group.endswith(RESERVED):
            raise click.BadParameter(f"{group!r}: no group ends in {' or '.join(RESERVED)}")
    entry: dict[str, object] = {"name": name, "hash": kept, "scopes": list(scopes)}
    click.echo(json.dumps({**entry, **({"groups": list(groups)} if groups else {})}))


COMMANDS = (access,)
