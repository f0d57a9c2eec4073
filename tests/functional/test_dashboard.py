"""The regulator's page in a real browser, over a development network of real nodes.

The browser is the system's Chromium; where there is none, these tests say so and are skipped.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright

from analytics.registry.plots import plots_of
from ledger.addresses import encode_account_id
from ledger.identity import MemberId
from tests.functional.devnet import HANG_S, Devnet, running_devnet
from wallet.tokens import make_token

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REGULATOR = "regulator"
HANG_MS = 1_000 * HANG_S
HOSTILE = "<img src=x onerror=alert(1)> \u202egnp.exe p\u0430ypal"
STRUCTURED = ("9800.00", "9700.00", "9850.00", "9650.00")
PANELS = (
    "Overview", "Alerts", "Cases", "Transactions", "Accounts", "Flows", "Members", "Segments",
    "Forecasts", "Models", "Reports", "Query",
)  # fmt: skip
BRIEF_S = 60
"""Life of a token that ends during a test, seconds of the page's own clock."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM} on this machine"),
]

Json = dict[str, Any]


@dataclass(kw_only=True)
class Window:
    """A page in the browser, and what it complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def heard(self, message: ConsoleMessage) -> None:
        """Keep what a console shows as an error or a warning."""
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def go(self, place: str) -> None:
        """Go to a panel as a link would, without loading the page anew."""
        self.page.evaluate("place => { location.hash = place }", place)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A network in which alice split a sum into payments just under the threshold."""
    with running_devnet(tmp_path_factory.mktemp("dashboard")) as net:
        for amount in STRUCTURED:
            pay(net, amount, "invoice")
        yield net


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def window(net: Devnet, browser: Browser) -> Iterator[Window]:
    """The dashboard, signed in by the command; on leaving nothing was complained of."""
    with browser.new_context() as context:
        window = Window(page=context.new_page())
        window.page.set_default_timeout(HANG_MS)
        window.page.on("console", window.heard)
        window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
        window.page.goto(dashboard_url(net))
        expect(window.page.locator("#blocks tbody tr").first).not_to_have_class("empty")
        yield window
        assert window.complaints == []


@pytest.fixture(scope="module", autouse=True)
def patience() -> None:
    """Let expectations wait for as long as a busy machine may take."""
    expect.set_options(timeout=HANG_MS)


def dashboard_url(net: Devnet) -> str:
    """Return the URL that the command prints."""
    ended = net.sunlit("audit", "dashboard", "--no-open", "--json")
    assert ended.status == 0, ended.stderr
    url: str = ended.document["url"]
    return url


def pay(net: Devnet, amount: str, reference: str) -> str:
    """Let alice pay bob; return the txid once it is final."""
    words = ("--from", "alice", "--to", "bob", amount, "CNY", "--reference", reference)
    ended = net.sunlit("wallet", "send", *words, "--wait", "final", "--json")
    assert ended.status == 0, ended.stderr
    txid: str = ended.document["txid"]
    return txid


def ask(net: Devnet, path: str, node: str = REGULATOR) -> Json:
    """Return what a node answers the regulator's officer."""
    request = Request(net.node(node)["api"] + path, headers=net.headers(REGULATOR, node))
    with urlopen(request, timeout=HANG_S) as answer:
        document: Json = json.load(answer)
        return document


def money(units: str) -> str:
    """Return an amount of CNY as people write it; the page has code of its own for this."""
    return f"{Decimal(units).scaleb(-2):,.2f} CNY"


def test_the_figures_are_the_apis(net: Devnet, window: Window) -> None:
    """Supply, members, accounts and a block read as the API gives them; no token in the address."""
    page = window.page
    assert "token" not in page.url
    (cny,) = [one for one in ask(net, "/v1/audit/supply")["items"] if one["asset"] == "CNY"]
    expect(page.locator("#supply tbody tr").first).to_contain_text(money(cny["supply"]))
    row = page.locator("#blocks tbody tr").first.locator("td")
    # One look at the page: the row moves on with every block.
    height, _, sealer, count, _ = row.all_inner_texts()
    block = ask(net, f"/v1/blocks/{height.replace(',', '')}")
    assert (sealer, int(count)) == (block["sealer"], len(block["transactions"]))
    window.go("#/members/bank1")
    members = [one["member"] for one in ask(net, "/v1/audit/members")["items"]]
    expect(page.locator("#members tbody td:first-child")).to_have_text(members)
    accounts = ask(net, "/v1/audit/accounts?member=bank1")["items"]
    links = page.locator("#member-accounts tbody td:first-child a")
    expect(links).to_have_count(len(accounts))
    assert [one.get_attribute("title") for one in links.all()] == [a["account"] for a in accounts]


def test_threat_29_a_new_payment_shows_live_and_its_text_as_text(
    net: Devnet, window: Window
) -> None:
    """Without a reload; HTML is text, what cannot be seen is written out, look-alikes are named."""
    page = window.page
    page.evaluate("window.untouched = true")
    txid = pay(net, "12345.67", HOSTILE)
    row = page.locator("#payments tr", has=page.locator(f'a[title="{txid}"]'))
    expect(row).to_contain_text("12,345.67 CNY")
    expect(row).to_contain_text(r"<img src=x onerror=alert(1)> \u{202e}gnp.exe")
    expect(row).to_contain_text("look-alike letters")
    assert page.evaluate("window.untouched")
    row.locator(f'a[title="{txid}"]').click()
    expect(page.locator("#reference")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator("#legs tbody tr")).to_contain_text("12,345.67 CNY")
    window.go("#/query")
    page.locator("#sql").fill("SELECT reference, amount FROM legs ORDER BY time DESC LIMIT 5")
    page.locator("#sql").press("Control+Enter")
    expect(page.locator("#rows tbody tr").first).to_contain_text("<img src=x")
    expect(page.locator("#chart .main-svg").first).to_be_visible()
    assert page.locator("img").count() == 0


def test_an_alert_shows_its_reasons_and_transactions(net: Devnet, window: Window) -> None:
    """The bars' figures are the API's, and each transaction behind it can be opened."""
    page = window.page
    page.locator("#alerts-live ol a").first.click()
    shown = page.locator("#alerts a[aria-current]").get_attribute("href")
    alerts = ask(net, "/v1/audit/alerts")["items"]
    (alert,) = [one for one in alerts if f"#/alerts/{one['id']}" == shown]
    assert alert["typology"] == "structuring"
    expect(page.locator("#alert-score")).to_have_text(f"{alert['score']:.2f}")
    reasons = page.locator("#alert .reasons li")
    expect(reasons).to_have_count(len(alert["reasons"]))
    for reason in alert["reasons"]:
        line = page.locator(f'[data-feature="{reason["feature"]}"]')
        expect(line).to_contain_text(reason["text"])
        expect(line).to_contain_text(f"+{reason['contribution']:.2f}")
    links = page.locator("#alert-transactions tbody td:nth-child(2) a")
    expect(links).to_have_count(len(alert["transactions"]))
    assert [one.get_attribute("title") for one in links.all()] == alert["transactions"]
    links.first.click()
    expect(page.locator("h1 + .id")).to_have_text(alert["transactions"][0])


def test_an_account_shows_risk_history_and_neighbours(net: Devnet, window: Window) -> None:
    """What it holds and scores is the API's; the graph leads to whom it paid."""
    page = window.page
    alice, bob = (encode_account_id(net.account(name)) for name in ("alice", "bob"))
    window.go(f"#/accounts/{alice}")
    expect(page.locator("#account-scores .main-svg").first).to_be_visible()
    account = ask(net, f"/v1/accounts/{alice}")
    expect(page.locator("#account tbody tr")).to_contain_text(
        money(account["balances"][0]["posted"])
    )
    risk = ask(net, f"/v1/audit/accounts/{alice}/risk")
    expect(page.locator("#risk-score")).to_have_text(f"{risk['score']:.2f}")
    history = ask(net, f"/v1/audit/transactions?account={alice}")["items"]
    expect(page.locator("#history tbody tr")).to_have_count(len(history))
    page.locator(f'#neighbours svg a[aria-label^="{bob}"]').press("Enter")
    expect(page.locator("h1 + .id")).to_have_text(bob)


def test_flows_lead_from_members_to_their_accounts(net: Devnet, window: Window) -> None:
    """The diagram's table has the API's sums; a row opens the accounts behind it."""
    page = window.page
    window.go("#/flows")
    expect(page.locator("#sankey .sankey-link").first).to_be_visible()
    (flow,) = ask(net, "/v1/audit/flows?asset=CNY&member=bank1&counterparty=bank2")["items"]
    row = page.locator("#flows tbody tr", has_text="bank2")
    expect(row).to_contain_text(money(flow["amount"]))
    row.get_by_role("link").click()
    expect(page.locator("#account-flows tbody tr")).to_contain_text(money(flow["amount"]))


def test_an_alert_becomes_a_case_with_a_note_and_a_draft(net: Devnet, window: Window) -> None:
    """Opened, noted, drafted and moved on the page; the node has it so, and the draft is a file."""
    page = window.page
    alert = ask(net, "/v1/audit/alerts")["items"][0]
    page.locator(f'#alerts-live a[href$="{alert["id"]}"]').click()
    page.locator("#alert-case").get_by_role("button", name="Open a case").click()
    expect(page.locator("#case")).to_contain_text("open")
    page.get_by_role("textbox", name="Note").fill(HOSTILE)
    page.locator("#case-notes").get_by_role("button", name="Add").click()
    expect(page.locator("#case-notes .notes li")).to_contain_text("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Draft a freeze").click()
    with page.expect_download() as draft:
        page.get_by_role("button", name="Save the draft").click()
    (entry,) = ask(net, f"/v1/audit/cases?alert={alert['id']}")["items"]
    case = ask(net, f"/v1/audit/cases/{entry['id']}")
    assert json.loads(Path(draft.value.path()).read_bytes()) == case["proposals"][0]["proposal"]
    assert (case["state"], case["notes"][0]["text"]) == ("measure_proposed", HOSTILE)
    page.get_by_role("combobox", name="Move to").select_option("dismissed")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.locator("#case-history tbody tr").last).to_contain_text("dismissed")
    window.go("#/cases")
    expect(page.locator("#cases tbody tr")).to_contain_text(case["id"])
    window.go(f"#/alerts/{alert['id']}")
    expect(page.locator("#alert-case a")).to_have_text(case["id"])


def test_nodes_segments_and_reports_are_the_apis(net: Devnet, window: Window) -> None:
    """Who seals, what groups of accounts do, and each report's rows."""
    page = window.page
    members = [one["member"] for one in ask(net, "/v1/audit/members")["items"]]
    expect(page.locator("#nodes tbody td:first-child a")).to_have_text(members)
    window.go("#/segments")
    segments = ask(net, "/v1/audit/segments")["items"]
    expect(page.locator("#segments tbody td:first-child")).to_have_text(
        [one["segment"] for one in segments]
    )
    window.go("#/reports/members")
    rows = ask(net, "/v1/audit/reports/members")["rows"]
    expect(page.locator("#reports tbody tr")).to_have_count(len(rows))
    expect(page.locator("#reports tbody tr").first).to_contain_text(money(rows[0]["balance"]))
    for name in ("typologies", "concentration", "daily-activity"):
        page.get_by_role("combobox", name="Report").select_option(name)
        found = ask(net, f"/v1/audit/reports/{name}")["rows"]
        expect(page.locator("#reports tbody tr:not(.empty)")).to_have_count(len(found))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    assert Path(saved.value.path()).read_text().startswith("day,asset,transactions")


def test_models_and_series_are_the_apis(net: Devnet, window: Window) -> None:
    """Every model that speaks, one with its card, and what may be forecast."""
    page = window.page
    window.go("#/models")
    models = ask(net, "/v1/audit/models?state=champion")["items"]
    names = [f"{one['series']}/{one['version']}" for one in models]
    expect(page.locator("#models tbody td:first-child")).to_have_text(names)
    page.locator("#models tbody a").first.click()
    card = ask(net, f"/v1/audit/models/{models[0]['id']}")["card"]
    expect(page.locator("#model-card pre")).to_have_text(card)
    expect(page.locator("#model-plots")).to_contain_text("A rule learned nothing")
    window.go("#/forecasts")
    series = [one["series"] for one in ask(net, "/v1/audit/forecasts")["items"]]
    expect(page.get_by_role("combobox", name="Series").locator("option")).to_have_text(series)


def test_it_is_used_by_keyboard(window: Window) -> None:
    """Tab leads past the skip button through the panels, Enter opens one and its title has focus."""
    page = window.page
    page.locator("body").press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    for name in PANELS[1:]:
        while page.evaluate("document.activeElement.textContent") != name:
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("nav [aria-current=page]")).to_have_text(name)
        expect(page.locator("main h1")).to_have_text(name)
        expect(page.locator("main h1")).to_be_focused()
        page.locator("#skip").focus()
    for role in ("banner", "navigation", "main", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    unnamed = (
        "[...document.querySelectorAll('input, select, textarea')].filter(e => !e.labels.length)"
    )
    assert page.evaluate(f"{unnamed}.length") == 0


def test_a_models_plots_are_drawn_from_the_apis_figures(net: Devnet, window: Window) -> None:
    """Each plot is drawn, and its figures are told in words; names are text, tiny numbers no styles."""
    page = window.page
    bands = [{"share": 0.5, "predicted": said, "observed": said} for said in (0.2, 0.8)]
    document = {"classes": ["no", HOSTILE], "reliability": bands}
    document["explained_variance_ratio"] = [0.7, 1e-18]
    importances = [{"feature": HOSTILE, "importance": 1e-18}]
    manifest = {"document": document, "importances": importances}
    plots = [asdict(plot) for plot in plots_of(manifest)]
    page.route("**/plots", lambda route: route.fulfill(json={"id": "0" * 16, "plots": plots}))
    (rule, *_) = ask(net, "/v1/audit/models?series=fan_in")["items"]
    window.go(f"#/models/{rule['id']}")
    for plot in plots:
        drawn = page.locator(f'[data-plot="{plot["name"]}"]')
        expect(drawn.locator(".main-svg").first).to_be_visible()
        drawn.locator("summary").press("Enter")
        count = sum(len(trace["up"]) for trace in plot["traces"])
        expect(drawn.locator("tbody tr")).to_have_count(count)
    expect(page.locator('[data-plot="importances"] tbody')).to_contain_text("<img src=x")
    assert page.locator("img").count() == 0


def test_a_chosen_alert_is_where_the_keyboard_goes_on(window: Window) -> None:
    """Enter in the list leads to the alert itself, past all others; its name says what it is."""
    page = window.page
    window.go("#/alerts")
    first = page.locator("#alerts ol a").first
    expect(first).to_have_attribute("aria-label", re.compile(r"structuring, score \d\.\d\d, sun1"))
    first.press("Enter")
    expect(page.locator("#alert-title")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#alert') !== null")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_by_day_and_night(net: Devnet, window: Window, scheme: str) -> None:
    """No panel is wider than 390 pixels, and text stands out from its ground (WCAG 2.2, 1.4.3)."""
    page = window.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 390, "height": 844})
    alice = encode_account_id(net.account("alice"))
    for place in (*(name.lower() for name in PANELS), f"accounts/{alice}", "members/bank1"):
        window.go(f"#/{place}")
        expect(page.locator("main h1")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, place
    ground, ink = (
        page.evaluate(f"getComputedStyle(document.body).{name}")
        for name in ("backgroundColor", "color")
    )
    assert (luminance(ground) < luminance(ink)) == (scheme == "dark")
    dark, light = sorted((luminance(ground), luminance(ink)))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """Return the relative luminance of an ``rgb(r, g, b)`` (WCAG 2.2)."""
    shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_page_says_when_the_token_ends_and_takes_another(net: Devnet, browser: Browser) -> None:
    """What is shown stays, nothing new comes, and the next token goes on where the streams were."""
    key = net.keystore.signing_key(REGULATOR)
    brief = make_token(
        key,
        chain_id=net.profile.chain_id,
        node_member=MemberId(REGULATOR),
        now_s=int(time.time()),
        life_s=BRIEF_S,
    )
    with browser.new_context() as context:
        page = context.new_page()
        page.clock.install()
        page.goto(f"{net.node(REGULATOR)['api']}/dashboard#token={brief.text}")
        expect(page.locator("#blocks tbody tr").first).not_to_have_class("empty")
        page.clock.fast_forward(1_000 * BRIEF_S)
        notice = page.get_by_role("region", name="Token ended")
        expect(notice).to_contain_text("sunlit audit dashboard")
        expect(page.locator("#blocks tbody tr").first).to_be_visible()
        page.get_by_label("Token", exact=True).fill("nothing of the kind")
        page.keyboard.press("Enter")
        expect(notice).to_contain_text("That is no token")
        page.get_by_label("Token", exact=True).fill(dashboard_url(net))
        page.keyboard.press("Enter")
        expect(notice).to_have_count(0)
        txid = pay(net, "1.00", "after the token")
        expect(page.locator(f'#payments a[title="{txid}"]')).to_be_visible()
        assert context.cookies() == []
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_blocks_are_asked_for_once_it_is_known_where_the_chain_is(
    net: Devnet, browser: Browser
) -> None:
    """Not from block 0 on while the node does not answer: a long chain would come whole."""
    came: list[str] = []
    failed: list[str] = []

    def answer(route: Route) -> None:
        if len(failed) < 2:
            failed.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(HANG_MS)
        page.route("**/v1/status", answer)
        page.on("request", lambda request: came.append(request.url))
        page.on("requestfinished", lambda request: came.append(f"done {request.url}"))
        page.goto(dashboard_url(net))
        expect(page.locator("#blocks tbody tr").first).not_to_have_class("empty")
        assert len(failed) == 2
        first = next(place for place, url in enumerate(came) if "/v1/audit/blocks" in url)
        assert any(url.startswith("done ") and "/v1/status" in url for url in came[:first])


def test_a_node_without_analytics_says_so(net: Devnet, browser: Browser) -> None:
    """At a bank's node the chain's panels work, and the others tell where to look."""
    ended = net.sunlit(
        "audit", "dashboard", "--no-open", "--json", "--node", net.node("bank1")["api"]
    )
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(ended.document["url"])
        expect(page.locator("#blocks tbody tr").first).not_to_have_class("empty")
        refused = page.locator('#alerts-live [data-code="analytics_disabled"]')
        expect(refused).to_contain_text("open the dashboard there")
        page.evaluate("location.hash = '#/flows'")
        expect(page.locator('main [data-code="analytics_disabled"]')).to_be_visible()
