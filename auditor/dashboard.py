"""``sunlit audit dashboard``: the regulator's page of a node, signed in."""

from __future__ import annotations

import time
import webbrowser
from urllib.parse import quote

from auditor.stream import regulator_key
from wallet.connection import connect
from wallet.console import Session, progress
from wallet.tokens import make_token


async def open_dashboard(session: Session, *, reader: str | None, opens: bool) -> None:
    """Print the page's URL with a token in its fragment, and open it where there is a browser.

    Raises:
        InvalidRequest: the key is no officer's, or the node is not one of this network.
        ProfileError: no node is known.
        NodeUnreachable: no answer.
    """
    keystore, profile = session.keystore(), session.profile()
    key = regulator_key(keystore, reader)
    async with connect(profile, key, url=session.node) as connection:
        token = make_token(
            key,
            chain_id=profile.chain_id,
            node_member=connection.member,
            now_s=int(time.time()),
        )
        page = f"{connection.client.url}/dashboard"
    # Browsers keep what is behind the # to themselves: no server and no proxy sees the token.
    url = f"{page}#token={quote(token.text)}"
    has_opened = opens and webbrowser.open(url)
    if not session.as_json:
        progress(f"{page} is {'open' if has_opened else 'ready'}; its token ends {token.expires}")
    session.show({"url": url, "expires": token.expires, "opened": has_opened}, [url])
