"""NATS as the engine needs it: its own server, its streams, and a memory of what they held.

    embedded    the server of this machine, shared by every call that uses the same state folder
    streams     names, properties and creation of streams and buckets; the realm
    consumers   the durable pull consumers of the command stream
    checkpoint  what the engine last saw, so that a store that lost something is refused
    errors      all that can be wrong with them, each with its fix

Helpers of ``embedded``: ``binary`` (where nats-server is), ``files`` (locks, private files),
``process`` (configuration, start, signal).
"""
