"""A line for each message on a topic of MQTT: python from_mqtt.py TOPIC, with its address in MQTT_URL."""

import os
import sys
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt

at = urlsplit(os.environ["MQTT_URL"])
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
if at.username:
    client.username_pw_set(unquote(at.username), unquote(at.password or ""))
if at.scheme == "mqtts":
    client.tls_set()
client.on_connect = lambda *_: client.subscribe(sys.argv[1], qos=1)
client.on_subscribe = client.on_message = lambda *_: print("woken", flush=True)
client.connect(at.hostname or "localhost", at.port or 1883, keepalive=30)
# it connects again by itself
client.loop_forever()
