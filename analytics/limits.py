"""Every limit of the analytics, with its unit."""

from __future__ import annotations

from typing import Final

COMMIT_BLOCKS_MAX: Final = 2_000
"""Most blocks of one commit of the warehouse, while it catches up."""
COMMIT_LEGS_MAX: Final = 250_000
"""Legs after which a commit of the warehouse takes no further block."""
OPEN_DAY_ROWS_MAX: Final = 1_000_000
"""Most balances of the day that is not over, rows, before each account is cut to its last one."""
FACTS_LEGS_MAX: Final = 50_000
"""Legs after which a read for detection begins another query."""
DETECTION_BLOCKS_MAX: Final = 200
"""Most blocks of one commit of alerts."""
ASSESSMENT_BLOCKS_MAX: Final = 2_000
"""Most blocks that are looked at together for what is to be assessed."""
SCORES_CHUNK: Final = 5_000
"""Scores that become rows at a time: other threads wait meanwhile."""
SEGMENTS_LIVE_LEGS_MAX: Final = 100_000
"""Legs within the window up to which segments are of the last block and not of the last assessment."""
ALERTS_PAGE_MAX: Final = 1_000
"""Most alerts of one answer."""
ACCOUNTS_PAGE_MAX: Final = 1_000
"""Most accounts of one answer."""
FLOWS_PAGE_MAX: Final = 1_000
"""Most flows of one answer."""
REPORT_ROWS_MAX: Final = 10_000
"""Most rows of a report."""
CASES_PAGE_MAX: Final = 1_000
"""Most cases of one answer."""
SIMULATION_ACCOUNTS_MAX: Final = 100
"""Most accounts that a simulation freezes."""
SIMULATION_LEGS_MAX: Final = 1_000_000
"""Most legs that a simulation replays."""
SIMULATION_ROWS_MAX: Final = 1_000
"""Most rows of each list in a simulation's answer."""
COMMIT_LINGER_S: Final = 0.02
"""How long a commit waits for a block that follows, seconds; so a live block is committed alone."""
COMMIT_WAIT_S_MAX: Final = 0.25
"""Longest wait of a block for its commit while others keep coming, seconds."""

READ_BYTES: Final = 1024 * 1024
"""Bytes read of the node's blocks at a time, and what the pipe is asked to hold."""
FRAME_OVERHEAD_BYTES: Final = 128 * 1024
"""What an array of the feed may hold beside the block's own bytes."""

NICE: Final = 10
"""How much lower than the node's the process's priority is."""
YOUNG_OBJECTS: Final = 50_000
"""New objects between two looks for garbage."""
QUERIES_MAX: Final = 4
"""Queries that run at a time."""
QUERIES_WAITING_MAX: Final = 32
"""Queries that wait for their turn; one more is told to come back."""
QUERY_SECONDS_MAX: Final = 20.0
"""Longest query unless its route says otherwise, seconds."""
DIGEST_BLOCKS_MAX: Final = 200
"""Most blocks of one page of digests."""
DIGEST_LEGS_MAX: Final = 50_000
"""Legs after which a page of digests takes no further block."""
DIGEST_SECONDS_MAX: Final = 120.0
"""Longest computation of digests, seconds."""
