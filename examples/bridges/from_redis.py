"""A line for each message on a channel of Redis: python from_redis.py CHANNEL, with its address in REDIS_URL."""

import os
import sys

import redis

# a connection that is silent for long, but gone, is seen by the pings
client = redis.Redis.from_url(os.environ["REDIS_URL"], health_check_interval=30)
with client.pubsub() as channel:
    channel.subscribe(sys.argv[1])
    while True:
        # what says that it is subscribed is a message too: what came before it was heard by nobody
        if channel.get_message(timeout=20):
            print("woken", flush=True)
