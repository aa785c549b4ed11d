"""What is wrong, and which law must notice."""

WRONG = {}
KILLED_BY = {}


def wrong(killed_by):
    """Register a wrong backend, and the law (a part of its test's name) that kills it."""

    def register(cls):
        WRONG[cls.__name__] = cls
        KILLED_BY[cls.__name__] = killed_by
        return cls

    return register
