"""A line for each message of a queue of SQS: python from_sqs.py ADDRESS, with the variables of AWS."""

import os
import sys

import boto3

sqs = boto3.client("sqs", endpoint_url=os.environ.get("AWS_ENDPOINT_URL_SQS"))
while True:
    # it waits for messages, which stay in the queue until they are deleted
    found = sqs.receive_message(QueueUrl=sys.argv[1], MaxNumberOfMessages=10, WaitTimeSeconds=10).get(
        "Messages", []
    )
    if found:
        print("woken", flush=True)
    for message in found:
        sqs.delete_message(QueueUrl=sys.argv[1], ReceiptHandle=message["ReceiptHandle"])
