"""Payment memos by seed, English and Chinese, whose test wordings the training has never seen.

Each purpose has wordings of its own for training and for testing that share no word which tells it:
who learned words fails on them, who knows what they mean does not. Around them stands what memos
have beside their purpose: months, references, greetings.
"""

from __future__ import annotations

import random
from typing import Final

import pandas as pd

Wordings = tuple[tuple[str, ...], tuple[str, ...]]
"""Wordings to learn from, and wordings to be judged on."""

ENGLISH: Final[dict[str, Wordings]] = {
    "fees": (
        ("late fee", "account maintenance fee", "overdraft fee", "wire fee", "card annual fee"),
        ("penalty for overdue payment", "monthly service charge", "commission of the bank"),
    ),
    "insurance": (
        ("insurance premium", "car insurance", "home insurance policy", "life insurance"),
        ("cover for the vehicle against accidents", "underwriter's bill", "claims protection plan"),
    ),
    "loan": (
        ("loan repayment", "mortgage instalment", "loan interest", "instalment of car loan"),
        ("paying back what I borrowed", "debt amortisation", "credit line settlement"),
    ),
    "rent": (
        ("rent", "apartment rent", "flat rent and deposit", "office rent", "rent arrears"),
        ("monthly lease of the house", "payment to my landlord", "tenancy for the studio"),
    ),
    "salary": (
        ("salary", "wages", "monthly salary transfer", "salary advance", "wages and bonus"),
        ("payroll for staff", "your paycheck", "earnings of employees"),
    ),
    "tax": (
        ("income tax", "value added tax", "tax prepayment", "property tax", "tax arrears"),
        ("contribution to the revenue office", "customs duty", "fiscal authority assessment"),
    ),
    "tuition": (
        ("tuition", "school tuition", "tuition semester", "university tuition", "tuition deposit"),
        ("college enrolment costs", "education of my daughter", "course at the academy"),
    ),
    "utilities": (
        ("electricity bill", "water bill", "gas and electricity", "electricity and water meter"),
        ("power consumption", "heating of the building", "energy supplier"),
    ),
}
"""Wordings by purpose."""
CHINESE: Final[dict[str, Wordings]] = {
    "fees": (
        ("滞纳金", "账户管理费", "透支手续费", "转账手续费", "信用卡年费"),
        ("逾期罚款", "银行收取佣金"),
    ),
    "insurance": (("保险费", "车险保费", "人寿保险", "家庭财产保险"), ("投保缴款", "保单续期")),
    "loan": (("偿还贷款", "房贷月供", "贷款利息", "车贷分期"), ("还借款本金", "归还欠债")),
    "rent": (("房租", "公寓租金", "办公室租金", "房租押金"), ("租赁费用给房东", "写字楼承租款")),
    "salary": (("工资", "发放工资", "工资和奖金", "预支工资"), ("员工薪酬", "本期薪水")),
    "tax": (("所得税", "增值税", "预缴税款", "房产税"), ("上缴税务局", "纳税申报补缴")),
    "tuition": (("学费", "大学学费", "学期学费", "学费押金"), ("上学报名缴费", "孩子教育支出")),
    "utilities": (("电费", "水费", "电费和水费", "燃气费"), ("家庭用电账单", "供水供暖结算")),
}
"""The same in Chinese."""
_AROUND: Final = {
    "en": (
        "{w}",
        "{w} {m}",
        "{m} {w}",
        "{w} ref {n}",
        "re: {w} {m}",
        "{w}, thank you",
        "inv {n} {w}",
    ),
    "zh": ("{w}", "{w}{m}", "{m}{w}", "{w}编号{n}", "关于{m}{w}", "{w},谢谢", "单号{n}{w}"),
}
_MONTHS: Final = {
    "en": ("January", "Feb", "March", "April", "May", "June", "July", "Aug", "October", "Dec"),
    "zh": ("一月", "二月", "三月", "四月", "五月", "六月", "七月", "八月", "十月", "十二月"),
}


def memos(language: str, rows: int, *, seed: int, is_test: bool) -> pd.DataFrame:
    """Return memos with their purposes, in columns ``memo`` and ``purpose``.

    ``language`` is ``en`` or ``zh``; ``is_test`` takes the wordings to be judged on.
    """
    chance = random.Random(f"{language} {seed} {is_test}")
    wordings = ENGLISH if language == "en" else CHINESE
    purposes = sorted(wordings)
    rows_made = []
    for place in range(rows):
        purpose = purposes[place % len(purposes)]
        memo = chance.choice(_AROUND[language]).format(
            w=chance.choice(wordings[purpose][is_test]),
            m=chance.choice(_MONTHS[language]),
            n=chance.randrange(1_000, 99_999),
        )
        rows_made.append({"memo": memo, "purpose": purpose})
    return pd.DataFrame(rows_made)
