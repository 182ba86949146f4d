"""How a plan reaches YARN: the same plan in, an application id out."""
