"""Who an event is about: identifiers, the ledger of links between them, profiles, traits, consent.

Beside the road: the pipeline asks it for every batch and is the only writer of its tables; pages,
API and command line read. `identifiers`, `graph`, `traits` and `policies` are pure.
"""
