"""The auditor's tests use the wallet's home and node."""

from tests.unit.wallet.conftest import network, node, stocked_home, wallet_home

__all__ = ["network", "node", "stocked_home", "wallet_home"]
