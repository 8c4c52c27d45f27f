"""The words that options of a source can be."""

#: How often a dated source delivers, by the words for it.
EVERY = {
    "": "",
    **dict.fromkeys(("day", "daily"), "daily"),
    **dict.fromkeys(("weekday", "weekdays"), "weekdays"),
    **dict.fromkeys(("week", "weekly"), "weekly"),
    **dict.fromkeys(("month", "monthly"), "monthly"),
    "irregular": "irregular",
}
#: What names of longer times than a day say of how often: and after how many days such a time is over.
PERIODS = {"week": ("weekly", 7), "month": ("monthly", 31), "quarter": ("irregular", 0), "year": ("irregular", 0)}
#: What the options that are words can be.
CHOICES = {
    "load": ("auto", "table", "view"),
    "extra": ("refuse", "ignore", "keep"),
    "duplicates": ("quarantine", "first", "last"),
    "skipped": ("refuse", "quarantine", "allow"),
    "empty": ("auto", "partition", "error", "skip"),
}
