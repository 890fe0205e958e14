"""Which three letters are a currency's code (ISO 4217), now or not long ago.

Vocabulary. The list in force comes from the library; what was withdrawn lately is kept here, because
events of those years are still sent and asked for.
"""

from iso4217 import Currency

# Withdrawn since 1999: by the euro, or for a new code of the same currency.
WITHDRAWN = frozenset(
    {
        *("ATS", "BEF", "BGN", "CYP", "DEM", "EEK", "ESP", "FIM", "FRF", "GRD", "HRK", "IEP", "ITL", "LTL", "LUF"),
        *("LVL", "MTL", "NLG", "PTE", "SIT", "SKK"),
        *("AFA", "ANG", "AZM", "BYB", "BYR", "CSD", "CUC", "GHC", "MGF", "MRO", "MZM", "ROL", "RUR", "SDD", "SLL"),
        *("SRG", "STD", "TMM", "TRL", "VEB", "VEF", "YUM", "ZMK", "ZWD", "ZWL"),
    }
)
# Of the list's codes these are no money: for tests, and for "no currency".
_NO_MONEY = frozenset({"XTS", "XXX"})
CURRENCIES = frozenset(currency.code for currency in Currency) - _NO_MONEY | WITHDRAWN


def is_currency(code: str) -> bool:
    """Capitals count: `EUR`, not `eur`."""
    return code in CURRENCIES
