"""CloudTrail and the activities of Application Auto Scaling: who has changed what, as AWS tells it afterwards."""
