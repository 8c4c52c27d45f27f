"""What is known of a model that learns: what it is, what it learns from, how well, and how to do it again."""

from etl.reports.cards.card import card
from etl.reports.cards.markdown import markdown
from etl.reports.cards.pages import learned

__all__ = ["card", "learned", "markdown"]
