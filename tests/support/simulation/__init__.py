"""Deterministic simulation: real engines in a world of chance that one seed decides.

loop       the scheduler: who runs next, virtual time, processes that freeze and die
chance     everything random, from the seed
network    the way to NATS
streams    events and logs behind it, with the product's append protocol
queue      commands and presence records behind it
snapshots  the bucket of snapshots behind it
docker     the way to a daemon that remembers
pipelines  random pipelines and what their containers do
engine     an engine: process after process
people     who wants what
faults     what goes wrong, and when
world      all of that together, nodes that are away, healing
checks     what must hold afterwards
run        one seed from its beginning to its verdict

``python -m tests.support.simulation SEED`` shows one run.
"""
