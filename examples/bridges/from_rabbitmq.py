"""A line for each message of a queue of RabbitMQ: python from_rabbitmq.py QUEUE, with its address in AMQP_URL."""

import os
import sys

import pika

with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
    channel = connection.channel()
    channel.queue_declare(sys.argv[1], durable=True)
    # messages wait in the queue while nobody listens
    for message, _, _ in channel.consume(sys.argv[1]):
        print("woken", flush=True)
        channel.basic_ack(message.delivery_tag)
