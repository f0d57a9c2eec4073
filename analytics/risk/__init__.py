"""Risk of accounts, members and the market: scores from 0 to 1 whose contributions add up.

``model``      what a score is made of
``bands``      low to critical, entered at one level and left at a lower one
``segments``   groups of accounts by what they do
``assessing``  when scores are made, and which of them are kept
``answers``    what the process answers about them
"""
