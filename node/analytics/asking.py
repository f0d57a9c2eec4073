"""How an operation of the API reaches the analytics.

    async def list_alerts(call: Call, query: AlertsQuery) -> web.Response:
        return json_response(await analytics_of(call).client.get("/alerts", {…}))

What the process refuses, and that it is not there, become problem documents by themselves
(`node.api.problems.problem_of`); an operation lists 404 and 503 among its problems.
"""

from __future__ import annotations

from node.analytics.supervisor import Analytics
from node.api.operations import Call
from node.api.problems import not_found


def analytics_of(call: Call) -> Analytics:
    """Return the node's analytics.

    Raises:
        Problem: 404 ``analytics_disabled``, where the node runs none.
    """
    analytics = call.backend.analytics
    if analytics is None:
        raise not_found("analytics_disabled", "This node runs no analytics.")
    return analytics
