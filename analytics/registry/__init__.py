"""The regulator's models: which speak, what they learned from, who put them in their place.

    ledger features ──trainer──▶ child process ──▶ folder ──store──▶ candidate ─▶ challenger ─▶ champion
    drift           ──watch────▶ proposal to train again, which an officer accepts or dismisses

``store``      the registry: versions, their folders and history, trainings, proposals
``records``    what the registry keeps, as values
``rules``      the rules and scores that are no trained models, with a card and a hash like those
``datasets``   ledger features, and what came of accounts, as a table to learn from
``trainer``    trainings one after the other, each in a child process with limits around it
``child``      that process
``watch``      what asks for a training: enough accounts for a first one, and drift
``routes``     what the node asks
"""
