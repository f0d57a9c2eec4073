"""Every limit of the engine, with its unit. Those that consensus depends on are parameters."""

# Peers
SCORE_MAX = 100
"""Misbehaviour points at which a peer is disconnected and discouraged."""
DISCOURAGE_MS = 24 * 60 * 60 * 1_000
REFUSED_MS = 60_000
"""A peer of another version or chain is not dialled again for this long."""
HELLO_MS_MAX = 10_000
"""Longest wait for a peer's hello."""
ORPHANS_PER_PEER_MAX = 64
"""Blocks held for a peer whose parent is unknown or whose time is in the future; oldest out."""

# Messages
PROTOCOL_VERSION = 1
INVENTORY_MAX = 50_000
"""Most txids in one message."""
TRANSACTIONS_PER_MESSAGE_MAX = 2_000
TRANSACTION_MESSAGE_BYTES = 1024 * 1024
"""Transactions are sent in messages of about this size; one larger transaction travels alone."""
HEADERS_PER_MESSAGE_MAX = 512
LOCATOR_MAX = 64
BLOCKS_PER_REQUEST_MAX = 16
VOTES_PER_MESSAGE_MAX = 1_024

# Rates
INVENTORY_PER_SECOND_MAX = 50_000
"""Txids a second that a peer may announce before it scores (threat 13)."""
SURPLUS_INVENTORY_SCORE = 10
INVENTORY_PER_TICK_MAX = 2_500
"""Txids announced to a peer at a tick, ten a second: half of what costs it points."""
SERVED_BYTES_PER_SECOND_MAX = 16 * 1024 * 1024
"""Blocks, headers and transactions sent to a peer that asks, before it must wait for the next
second: half of what its connection queues."""

# Synchronisation
BLOCKS_IN_FLIGHT_PER_PEER_MAX = 16
PUSHED_BLOCK_BYTES_MAX = 256 * 1024
"""Largest block that its sealer sends unasked: a thousand payments. What is larger is announced, and
asked for once."""
UNASKED_BLOCK_SCORE = 10
STALL_MS_MIN = 2_000
STALL_MS_MAX = 64_000
"""A peer that does not deliver is given 2 s, doubling to 64 s, then another is asked."""
HEADERS_AHEAD_MAX = 4_096
"""Headers held beyond the connected chain while it catches up, so that a long chain is fetched in
windows."""
BLOCKS_ON_THEIR_WAY_MAX = 2
"""Announced blocks that may be missing while a node counts as caught up: each new block is, from its
announcement until its body is here, and a node must not seem unready at each."""

# Clocks
CLOCK_STEP_MS_MAX = 2_000
"""A wall clock that was set by more than this, against the monotonic clock, is told of (threat 56):
a fifth of what may pass between the clocks of two nodes."""

# Chain
BODIES_IN_MEMORY_MAX = 64
"""Blocks above the last final one whose bodies, and changes of state, are kept in memory; the
others are read back from the store."""

# Mempool
MEMPOOL_BYTES_MAX = 300 * 1024 * 1024
MEMPOOL_ACCOUNT_TRANSACTIONS_MAX = 10_000
PARKED_PER_LANE_MAX = 1_024
"""How far ahead of its lane's next sequence a transaction may be."""
VALID_FROM_AHEAD_MAX = 10_000
"""How many blocks ahead of the next one the validity of a transaction that waits may begin."""
SUBMISSIONS_IN_FLIGHT_MAX = 50_000
"""Transactions whose signatures are being checked."""
REQUEST_MS_MAX = 5_000
"""After this a transaction is requested from another peer that has it."""
KNOWN_PER_PEER_MAX = 100_000
"""Txids remembered as known to a peer; oldest forgotten."""

PASSED_OVER_BLOCKS = 50
"""Blocks without a transaction that each could have held, after which it is told of (threat 40)."""
PASSED_OVER_WATCHED_MAX = 1_000
"""Waiting transactions, oldest first, that are watched for it."""

# Sealing
TEMPLATE_REFRESH_MS = 250
"""A template takes in new transactions at most this often."""
TEMPLATE_TIME_MS = 1_000
"""A template's time is renewed at least this often."""

# Finality
VOTE_BUDGET_MS = 10_000
"""Time over which a voter's new votes are counted."""
VOTES_PER_BUDGET_MAX = 512
"""Most new votes of one voter that are looked at in that time; an honest one casts one a block,
and after a split it brings at most 256 that others missed."""
FINALITY_LAG_LIVE_MAX = 10
"""Blocks past the last final one at which finality counts as live."""
VOTE_ROUND_TRIP_MS_MIN = 50
VOTE_ROUND_TRIP_MS_MAX = 20_000
VOTE_ROUND_TRIP_MS_START = 500
RECOVERY_ASK_MS = 1_000
"""How often peers are asked again for our own latest votes after a start."""
VERDICTS_MAX = 200_000
"""Signature verdicts remembered, entries of 32 bytes."""
EVIDENCE_PER_MEMBER_MAX = 1_024
"""Pairs of votes kept against one member: one convicts it, and it may sign pairs without end."""
