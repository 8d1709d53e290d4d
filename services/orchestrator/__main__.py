from services._chassis.run import main

if __name__ == "__main__":
    main("services.orchestrator")
