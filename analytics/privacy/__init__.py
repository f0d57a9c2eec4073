"""Aggregates for publication, with noise that hides what any one account paid (Dwork et al., 2006).

``questions``  what may be asked, and how much one account can change the answer
``bounding``   sums in which no account counts for more than that
``mechanism``  the noise and the budget, both OpenDP's
``releases``   what was released and spent, on disk before anybody sees it
``routes``     what the node asks

Neighbours are two histories that differ in everything that one account paid in a calendar year (UTC,
time of the blocks): its payments are there, or they are not. Whom a payment went to enters no answer.
"""
