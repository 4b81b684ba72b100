"""What the stream jobs run on: a local Kafka and schema registry here; monitoring and deployment
beside it.
"""
